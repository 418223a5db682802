"use strict";

// Relative, so that the page also works under /v1 and behind a proxy's prefix.
SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#api",
  deepLinking: true,
  displayRequestDuration: true,
  showCommonExtensions: true, // ranges
  defaultModelsExpandDepth: 0,
  validatorUrl: null, // a service of others
});
