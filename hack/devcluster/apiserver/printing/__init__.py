"""What kubectl get prints: tables, columns, ages."""
