// Does for a kernel what only the browser can: set parameters and run cells, open a notebook, copy a text.
// JupyterLab has to be started with --LabApp.expose_app_in_browser=True, as `omc-runbook lab` does; elsewhere a sentence
// says how to do the same by hand.

const PATIENCE = 500; // milliseconds in which further choices join one run

function panelOf(element) {
  const widgets = window.jupyterapp ? [...window.jupyterapp.shell.widgets("main")] : [];
  return widgets.find((widget) => widget.content?.widgets && widget.node.contains(element));
}

function withParameters(source, parameters) {
  for (const [name, literal] of Object.entries(parameters)) {
    const line = new RegExp(`^(${name}(?:: \\w+)? = ).*?(?=  #|$)`, "m");
    source = source.replace(line, (_, start) => start + literal);
  }
  return source;
}

function tagsOf(cell) {
  return cell.model.getMetadata("tags") ?? [];
}

// A banner's first sentence, whole: in plain text it is broken into lines. "" for what is no banner.
function headlineOf(output) {
  const html = [output?.data?.["text/html"] ?? ""].flat().join("");
  const banner = new DOMParser().parseFromString(html, "text/html").querySelector("p[style*='background'] > strong");
  return banner?.textContent ?? "";
}

// An error's message: from the one line that ours have, where each character shows, else as Python has it.
function messageOf({ ename, evalue, traceback }) {
  return traceback?.length === 1 ? traceback[0].replace(`${ename}: `, "") : evalue;
}

// How a run ended: an error's message, or the headline of the last banner; the index has its cards below that.
function endOf(cells) {
  const outputs = cells.map((cell) => cell.model.sharedModel.getOutputs?.() ?? []);
  const error = outputs.flat().find((output) => output.output_type === "error");
  if (error) return `It stopped: ${messageOf(error)}`;
  return outputs.map(([first]) => headlineOf(first)).findLast(Boolean) ?? "";
}

function setParameters(cells, parameters) {
  for (const cell of cells) {
    if (tagsOf(cell).some((tag) => ["parameters", "injected-parameters"].includes(tag))) {
      cell.model.sharedModel.setSource(withParameters(cell.model.sharedModel.getSource(), parameters));
    }
  }
}

async function plan(panel, element, parameters, say) {
  const { commands, shell } = window.jupyterapp;
  const notebook = panel.content;
  const first = notebook.widgets.findIndex((cell) => tagsOf(cell).includes("parameters"));
  const cells = notebook.widgets.slice(first);
  setParameters(cells, parameters);
  for (const cell of cells) {
    // What the last run showed is not true of these parameters.
    cell.model.clearExecution?.();
  }
  say("Running with these parameters …");
  const form = notebook.widgets.findIndex((cell) => cell.node.contains(element));
  shell.activateById(panel.id);
  notebook.activeCellIndex = first;
  const done = commands.execute("notebook:run-all-below");
  // The form stays in view, although the cells run to the last one.
  const stay = () => {
    notebook.activeCellIndex = form;
    return notebook.scrollToItem(form);
  };
  await stay();
  await done;
  await stay();
  say(endOf(cells), () => showAnswer(panel));
}

async function open(panel, name, place) {
  const { commands } = window.jupyterapp;
  const folder = panel.context.path.split("/").slice(0, -1);
  const opened = await commands.execute("docmanager:open", { path: [...folder, name].join("/") });
  await opened.context.ready;
  await opened.sessionContext.ready;
  if (place !== "parameters") await commands.execute("notebook:run-all-cells");
  if (place === "answer") return showAnswer(opened);
  const at = opened.content.widgets.findIndex((cell) => cell.model.id === place);
  if (at < 0) return;
  opened.content.activeCellIndex = at;
  await scrollTo(opened, at);
}

// Scrolls a cell to the top: twice, because what is drawn meanwhile moves it.
async function scrollTo(panel, at) {
  await panel.content.scrollToItem(at, "start");
  await new Promise((resolve) => setTimeout(resolve, PATIENCE));
  await panel.content.scrollToItem(at, "start");
}

function showAnswer(panel) {
  return scrollTo(panel, panel.content.widgets.findLastIndex((cell) => cell.model.type === "code"));
}

// A button that was pressed by key is disabled then, and Tab would begin at the top of the page.
function keepFocus(output) {
  if (!document.activeElement.matches("body, :disabled")) return;
  output.tabIndex = -1;
  output.focus({ preventScroll: true });
}

// JupyterLab selects the last cell as it runs all, and leaves it in mid-page, where a long answer is cut off.
function followRuns(panel) {
  const { content } = panel;
  const cell = content.widgets.findLast((each) => each.model.type === "code");
  const lead = () => {
    if (cell.model.executionCount !== null && content.activeCell === cell) showAnswer(panel);
  };
  const hear = (_, { name }) => name === "executionCount" && setTimeout(lead, PATIENCE);
  lead();
  cell.model.stateChanged.connect(hear);
  return () => cell.model.stateChanged.disconnect(hear);
}

// Shows the error that stopped a run also in the last cell, where JupyterLab leads after it has run all.
function repeatError(panel) {
  const cells = panel.content.widgets.filter((cell) => cell.model.type === "code");
  const errors = cells.flatMap((cell) => cell.model.sharedModel.getOutputs());
  const error = errors.find((output) => output.output_type === "error");
  const last = cells.at(-1).model;
  if (error && last.outputs.length === 0) last.outputs.add(error);
}

// JupyterLab forgets on a reload which output has which id, and then ignores the kernel's updates.
function replaceOutputs(panel, id, data) {
  for (const { model } of panel.content.widgets) {
    for (let at = 0; at < (model.outputs?.length ?? 0); at++) {
      const { metadata } = model.outputs.get(at);
      if (metadata.display_id === id) model.outputs.set(at, { output_type: "display_data", data, metadata });
    }
  }
}

function notePage(panel, model) {
  panel.omcPage ??= `${Date.now()}-${Math.random()}`;
  if (!model.get("page")) model.set("page", panel.omcPage);
  else if (model.get("page") !== panel.omcPage) model.set("is_reopened", true);
  model.save_changes();
}

// A record is shown by a frame that may run nothing and has no access to JupyterLab.
function openPage(name, page) {
  const tab = window.open();
  if (!tab) return false;
  const frame = Object.assign(tab.document.createElement("iframe"), { title: name, srcdoc: page });
  frame.setAttribute("sandbox", "allow-popups");
  frame.style = "position: fixed; inset: 0; width: 100%; height: 100%; border: 0";
  tab.document.title = name;
  tab.document.documentElement.lang = "en";
  tab.document.body.append(frame);
  return true;
}

function render({ model, el }) {
  el.setAttribute("role", "status");
  const say = (text, showAnswer) => {
    el.textContent = `${text} `;
    if (!showAnswer) return;
    const button = Object.assign(document.createElement("button"), { textContent: "To the answer" });
    button.className = "jupyter-button";
    button.onclick = showAnswer;
    el.append(button);
  };
  let parameters = {};
  let timer;
  const acts = {
    say: ({ text }) => say(text),
    copy: ({ text }) => navigator.clipboard.writeText(text).then(() => say("Copied."), () => say(text)),
    open: ({ name, leads_to, text }) => {
      const panel = panelOf(el);
      say(text);
      if (panel) open(panel, name, leads_to);
    },
    page: ({ name, page, text }) => say(openPage(name, page) ? "" : text),
    answer: async () => {
      const panel = panelOf(el);
      if (!panel) return;
      const output = el.closest(".jp-OutputArea-output"); // before a new row of buttons takes this place
      await showAnswer(panel);
      keepFocus(output);
    },
    replace: ({ id, data }) => {
      const panel = panelOf(el);
      if (panel) replaceOutputs(panel, id, data);
    },
    set: (message) => setParameters(panelOf(el)?.content.widgets ?? [], message.parameters),
    plan: (message) => {
      parameters = { ...parameters, ...message.parameters };
      clearTimeout(timer);
      timer = setTimeout(() => {
        const panel = panelOf(el);
        const chosen = parameters;
        parameters = {};
        if (panel) plan(panel, el, chosen, say);
        else say(message.text);
      }, PATIENCE);
    },
  };
  const hear = (message) => acts[message.act](message);
  const stop = () => {
    if (!model.get("has_stopped")) return;
    setTimeout(() => {
      const panel = panelOf(el);
      if (panel) repeatError(panel);
    }, PATIENCE);
  };
  model.on("msg:custom", hear);
  model.on("change:has_stopped", stop);
  stop();
  let endFollowing;
  const begin = setTimeout(() => {
    const panel = panelOf(el);
    endFollowing = panel && followRuns(panel);
    if (panel) notePage(panel, model);
  }, PATIENCE);
  return () => {
    model.off("msg:custom", hear);
    model.off("change:has_stopped", stop);
    clearTimeout(begin);
    endFollowing?.();
  };
}

export default { render };
