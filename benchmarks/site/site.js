// The theme puts wide tables into boxes that scroll sideways: let the keyboard reach them.
new MutationObserver(() => {
  for (const box of document.querySelectorAll(".md-typeset__scrollwrap:not([tabindex])")) box.tabIndex = 0;
}).observe(document.documentElement, { childList: true, subtree: true });

// What shows the versions stands beside them, so that it is the same in all. A version alone has none.
{
  const root = new URL("..", new URL(JSON.parse(document.getElementById("__config").textContent).base + "/", location.href));
  document.head.append(
    Object.assign(document.createElement("link"), { rel: "stylesheet", href: new URL("versions.css", root).href }),
    Object.assign(document.createElement("script"), { src: new URL("versions.js", root).href }),
  );
}
