// The list of rules: rows are dragged to another place, and all of a page are chosen at once. The arrows and the
// boxes do the same without it.

let lifted = null;

function lift(event) {
  const grip = event.target.closest("[data-grip]");
  if (!grip || event.button !== 0) return;
  event.preventDefault();
  lifted = grip.closest("tr");
  lifted.classList.add("dragged");
}

// The row that the lifted one would come to stand before; the list's end is behind the lower half of its last row.
function rowUnder(event) {
  const row = document.elementFromPoint(event.clientX, event.clientY)?.closest("[data-sorted] > tr");
  if (!row) return undefined;
  const box = row.getBoundingClientRect();
  return event.clientY > box.top + box.height / 2 ? row.nextElementSibling : row;
}

function clear() {
  for (const row of document.querySelectorAll(".drop-before, .drop-after")) row.classList.remove("drop-before", "drop-after");
}

function drag(event) {
  if (!lifted) return;
  clear();
  const row = rowUnder(event);
  if (row === null) lifted.parentElement.lastElementChild.classList.add("drop-after");
  else row?.classList.add("drop-before");
}

function drop(event) {
  if (!lifted) return;
  const row = lifted;
  const target = rowUnder(event);
  lifted = null;
  clear();
  row.classList.remove("dragged");
  if (target === undefined || target === row || target === row.nextElementSibling) return;
  const list = row.parentElement;
  const values = { here: list.dataset.here };
  if (target) values.before = target.dataset.id;
  else values.after = list.lastElementChild.dataset.id;
  htmx.ajax("POST", `${list.dataset.sorted}/${row.dataset.id}/move`, { target: "#rules", swap: "outerHTML", values });
}

function chooseAll(event) {
  const all = event.target.closest("[data-all]");
  if (!all) return;
  for (const box of document.querySelectorAll(`[form=bulk][name=${all.dataset.all}]:not(:disabled)`)) box.checked = all.checked;
}

document.documentElement.classList.add("scripted");
document.addEventListener("pointerdown", lift);
document.addEventListener("pointermove", drag);
document.addEventListener("pointerup", drop);
document.addEventListener("change", chooseAll);
