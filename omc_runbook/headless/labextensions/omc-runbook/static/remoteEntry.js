// An extension of JupyterLab: in a saved notebook, it says how to get buttons and forms back.
// Their widgets live in a kernel. JupyterLab would say "Error displaying widget: model not found" in their place.

const LOST = ".jp-OutputArea-output.jupyter-widgets"; // both classes are on one element only where there is that error
const STYLE = `
${LOST} { visibility: hidden; font-size: 0; }
${LOST}::after {
  content: "The buttons and forms of this cell ended with their kernel. To get them back, choose Run → Run All Cells.";
  visibility: visible;
  font-size: var(--jp-content-font-size1);
}
.jp-OutputArea-child:has(> ${LOST}) ~ .jp-OutputArea-child:has(> ${LOST}) { display: none; }
`;

const plugin = {
  id: "omc-runbook:saved-widgets",
  autoStart: true,
  activate: () => document.head.append(Object.assign(document.createElement("style"), { textContent: STYLE })),
};

window._JUPYTERLAB ??= {};
window._JUPYTERLAB["omc-runbook"] = { init: () => {}, get: async () => () => ({ __esModule: true, default: plugin }) };
