// Shows openapi.json with Swagger UI. Addresses are relative to the page, so that it works at any address of the API.
'use strict';

// Swagger UI is dark if the root element has this class.
const dark = matchMedia('(prefers-color-scheme: dark)');
const adapt = () => document.documentElement.classList.toggle('dark-mode', dark.matches);
dark.addEventListener('change', adapt);
adapt();

document.getElementById('skip').addEventListener('click', () => {
  document.querySelector('.opblock-tag-section button')?.focus();
});

SwaggerUIBundle({
  url: 'openapi.json',
  domNode: document.getElementById('reference'),
  deepLinking: true,
  tryItOutEnabled: true,
  displayRequestDuration: true,
  displayOperationId: true,
  // The schemas are collapsed, because each operation shows its own.
  defaultModelsExpandDepth: 0,
  // The token stays in memory only: any script of this origin could read it from the browser's storage.
  persistAuthorization: false,
  // No request to validator.swagger.io.
  validatorUrl: null,
});
