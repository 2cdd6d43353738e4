// An extension of JupyterLab for our buttons and forms. In a saved notebook, it says how to get them back: their widgets
// live in a kernel, and JupyterLab would say "Error displaying widget: model not found" in their place. And it leaves
// them their keys: in a select or on a button, X would cut the cell, B add one, Enter edit it and an arrow go to the next.

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

const WIDGETS = ".jp-OutputArea-output .jupyter-widgets";
const SUPPRESS = "data-lm-suppress-shortcuts"; // an element that has it gets no shortcuts of JupyterLab's

// Keys with Ctrl and the like stay shortcuts, such as the one that saves.
function keepKey({ target, ctrlKey, metaKey, altKey, shiftKey }) {
  const isPlain = !(ctrlKey || metaKey || altKey || shiftKey);
  if (target.closest?.(WIDGETS)) target.toggleAttribute(SUPPRESS, isPlain);
}

function activate() {
  document.head.append(Object.assign(document.createElement("style"), { textContent: STYLE }));
  window.addEventListener("keydown", keepKey, true); // before JupyterLab, which listens at the document
}

const plugin = { id: "omc-runbook:widgets", autoStart: true, activate };

window._JUPYTERLAB ??= {};
window._JUPYTERLAB["omc-runbook"] = { init: () => {}, get: async () => () => ({ __esModule: true, default: plugin }) };
