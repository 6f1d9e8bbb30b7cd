"""`make chart`: everything that is made from the Helm chart, and the checks of what it renders."""
