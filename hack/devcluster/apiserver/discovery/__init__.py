"""How clients find out what is served: API groups, OpenAPI, version, health."""
