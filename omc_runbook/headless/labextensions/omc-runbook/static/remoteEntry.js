// An extension of JupyterLab for our buttons and forms. In a saved notebook, it says how to get them back: their widgets
// live in a kernel, and JupyterLab would say "Error displaying widget: model not found" in their place. It says the same
// once a kernel was restarted or ended, where a button would only get a broken link and do nothing. And it leaves them
// their keys: in a select or on a button, X would cut the cell, B add one, Enter edit it and an arrow go to the next.

const LOST = ".jp-OutputArea-output.jupyter-widgets"; // both classes are on one element only where there is that error
const DEAD = ".jupyter-widgets-disconnected"; // each widget has it once its kernel has ended
const OF_DEAD = `.jp-OutputArea-output:has(> ${DEAD})`;
const ENDED = "omc-runbook-ended"; // an animation that shows nothing: its start says that a widget has just ended
const STYLE = `
${LOST} { visibility: hidden; font-size: 0; }
:is(${LOST}, ${OF_DEAD})::after {
  content: "The buttons and forms of this cell ended with their kernel. To get them back, choose Run → Run All Cells.";
  visibility: visible;
  font-size: var(--jp-content-font-size1);
}
.jp-OutputArea-child:has(> ${LOST}) ~ .jp-OutputArea-child:has(> ${LOST}) { display: none; }
.jp-OutputArea-child:has(> .jp-OutputArea-output > ${DEAD}) ~ .jp-OutputArea-child > ${OF_DEAD}::after { content: none; }
${DEAD}${DEAD}::before { content: none; }
${OF_DEAD} :is(button, input, select, textarea) { opacity: 0.5; }
${DEAD} { animation: ${ENDED} 1ms; }
@keyframes ${ENDED} {}
`;

const WIDGETS = ".jp-OutputArea-output .jupyter-widgets";
const SUPPRESS = "data-lm-suppress-shortcuts"; // an element that has it gets no shortcuts of JupyterLab's

// Keys with Ctrl and the like stay shortcuts, such as the one that saves.
function keepKey({ target, ctrlKey, metaKey, altKey, shiftKey }) {
  const isPlain = !(ctrlKey || metaKey || altKey || shiftKey);
  if (target.closest?.(WIDGETS)) target.toggleAttribute(SUPPRESS, isPlain);
}

// Off for mouse, keyboard and screen reader alike.
function switchOff({ animationName, target }) {
  if (animationName === ENDED) target.inert = true;
}

function activate() {
  document.head.append(Object.assign(document.createElement("style"), { textContent: STYLE }));
  document.addEventListener("animationstart", switchOff);
  window.addEventListener("keydown", keepKey, true); // before JupyterLab, which listens at the document
}

const plugin = { id: "omc-runbook:widgets", autoStart: true, activate };

window._JUPYTERLAB ??= {};
window._JUPYTERLAB["omc-runbook"] = { init: () => {}, get: async () => () => ({ __esModule: true, default: plugin }) };
