"""The form of the HTTP API: typed routes, errors, pages of lists, and the OpenAPI document made of them."""
