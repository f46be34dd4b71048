// Compile a Vega-Lite specification to Vega, away from the page's thread. A message has the specification, the theme's
// configuration and the addresses of Vega and Vega-Lite; the answer goes to the message's port.
onmessage = ({ data, ports: [port] }) => {
  try {
    if (!self.vegaLite) importScripts(...data.scripts);
    port.postMessage({ compiled: vegaLite.compile(data.spec, { config: data.config }).spec });
  } catch (error) {
    port.postMessage({ error: String(error) });
  }
};
