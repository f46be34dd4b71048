// Every page of every version runs this script, which stands beside the versions: it adds a choice of the version to the
// header, and a notice to pages that are not of the newest release. It fetches nothing: pages may be opened as files.
class Versions {
  #names;
  #newest;
  #base;
  #own;
  #page;
  #read = new Set();

  constructor(names, newest) {
    this.#names = names;
    this.#newest = newest;
    this.#base = new URL(`${JSON.parse(document.getElementById("__config").textContent).base}/`, location.href);
    this.#own = this.#base.pathname.split("/").at(-2);
    this.#page = location.pathname.slice(this.#base.pathname.length) || "index.html";
  }

  show() {
    if (!this.#names.includes(this.#own)) return;
    window.tap2Pages = (name, pages) => pages.includes(this.#page) && this.#leadTo(name, this.#page);
    document.querySelector(".md-header__title").after(this.#choice());
    if (this.#own === this.#newest) return;
    document.querySelector("[data-md-component=announce]").append(this.#notice());
    this.#readPages(this.#newest);
  }

  #choice() {
    const title = this.#title(this.#own);
    const summary = element("summary", { textContent: title, ariaLabel: `Version: ${title}` });
    const list = element("ul");
    for (const name of this.#names) {
      const link = this.#link(name, this.#title(name));
      if (name === this.#own) link.ariaCurrent = "true";
      list.append(element("li", {}, link));
    }
    const choice = element("details", { className: "versions" }, summary, list);
    choice.addEventListener("toggle", () => choice.open && this.#names.forEach((name) => this.#readPages(name)));
    choice.addEventListener("keydown", ({ key }) => {
      if (key !== "Escape" || !choice.open) return;
      choice.open = false;
      summary.focus();
    });
    document.addEventListener("click", ({ target }) => {
      if (!choice.contains(target)) choice.open = false;
    });
    return choice;
  }

  #notice() {
    const subject = this.#own === "dev" ? "the next version, which is not released yet" : `version ${this.#own}`;
    const link = this.#link(this.#newest, `See ${this.#newest}, the newest.`);
    const text = element("div", { className: "md-grid" }, `This page describes ${subject}. `, link);
    return element("aside", { className: "older", ariaLabel: "Version" }, text);
  }

  #title(name) {
    return (name === "dev" ? "next" : name) + (name === this.#newest ? " (newest)" : "");
  }

  /** Return a link to the front page of a version, until it is known whether this page exists there. */
  #link(name, text) {
    const link = element("a", { href: this.#url(name, "index.html"), textContent: text });
    link.dataset.version = name;
    link.addEventListener("click", () => this.#keepColors(name));
    return link;
  }

  #leadTo(name, page) {
    for (const link of document.querySelectorAll(`a[data-version="${name}"]`)) {
      link.href = this.#url(name, page) + location.hash;
    }
  }

  /** Run the script that passes the pages of a version to `tap2Pages`. */
  #readPages(name) {
    if (this.#read.has(name)) return;
    this.#read.add(name);
    document.head.append(element("script", { src: this.#url(name, "pages.js") }));
  }

  /** Take the chosen colors along: the theme stores them for each folder. */
  #keepColors(name) {
    const colors = localStorage.getItem(`${this.#base.pathname}.__palette`);
    if (colors) localStorage.setItem(`${new URL(this.#url(name, "")).pathname}.__palette`, colors);
  }

  #url(name, path) {
    return new URL(`../${name}/${path}`, this.#base).href;
  }
}

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}
