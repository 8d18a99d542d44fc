// The step summary's pages as GitHub shows them: Markdown with tables, HTML comments and Mermaid
// charts. Judges that each chart is one and that nothing on a page became HTML of somebody else's;
// with a directory, it writes each page there as HTML that draws its charts.
//
// usage: summaries.mjs [--into DIR] SNAPSHOT…
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { createRequire } from "node:module";
import { JSDOM } from "jsdom";
import MarkdownIt from "markdown-it";

const words = process.argv.slice(2);
const into = words[0] === "--into" ? words.splice(0, 2)[1] : undefined;

const { window } = new JSDOM("");
globalThis.window = window;
globalThis.document = window.document;
const { default: mermaid } = await import("mermaid");

const LOOKS = `body { font: 16px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em }
table { border-collapse: collapse } th, td { border: 1px solid #d0d7de; padding: 6px 13px }
pre, code { background: #f6f8fa; font: 85% monospace } pre { padding: 1em; overflow: auto }
code { padding: .2em .4em } pre code { padding: 0 } h2, h3 { border-bottom: 1px solid #d0d7de }`;
// Elements that Markdown itself makes; HTML in a page is none of them but comments.
const OWN = new Set("H2 H3 P UL LI A CODE PRE TABLE THEAD TBODY TR TH TD EM STRONG".split(" "));

// A snapshot is a page below two lines of dashes.
const page = (file) => readFileSync(file, "utf8").replace(/^---\n[\s\S]*?\n---\n/, "");

const markdown = new MarkdownIt({ html: true });
const fence = markdown.renderer.rules.fence;
markdown.renderer.rules.fence = (tokens, at, ...rest) =>
  tokens[at].info.trim() === "mermaid"
    ? `<pre class="mermaid">${markdown.utils.escapeHtml(tokens[at].content)}</pre>\n`
    : fence(tokens, at, ...rest);

async function complaints(text, html) {
  const found = [];
  const charts = [...text.matchAll(/^```mermaid\n([\s\S]*?)\n```$/gm)].map((m) => m[1]);
  for (const chart of charts) {
    await mermaid.parse(chart).catch((error) => found.push(`the chart is none: ${error.message}`));
  }
  const body = new JSDOM(`<body>${html}</body>`).window.document.body;
  for (const element of body.querySelectorAll("*")) {
    if (!OWN.has(element.tagName)) found.push(`<${element.tagName.toLowerCase()}> is on the page`);
  }
  if (!text.startsWith("## ")) found.push("the page does not begin with what happened");
  for (const table of body.querySelectorAll("table")) {
    const widths = [...table.rows].map((row) => row.cells.length);
    if (new Set(widths).size !== 1) found.push(`a table has rows of ${widths} cells`);
  }
  return found;
}

function draw(file, html) {
  const name = basename(file).replace(/^.*__/, "").replace(/\.\w+$/, "");
  const looks = `<!doctype html><meta charset="utf-8"><title>${name}</title><style>${LOOKS}</style>`;
  const drawn = `<script src="mermaid.js"></script><script>mermaid.initialize({ startOnLoad: true })</script>`;
  writeFileSync(join(into, `${name}.html`), looks + html + drawn);
}

if (into) {
  mkdirSync(into, { recursive: true });
  const own = createRequire(import.meta.url).resolve("mermaid");
  copyFileSync(own.replace(/mermaid[^/]*$/, "mermaid.min.js"), join(into, "mermaid.js"));
}
let wrong = 0;
for (const file of words) {
  const text = page(file);
  const html = markdown.render(text);
  for (const complaint of await complaints(text, html)) {
    console.log(`${file}: ${complaint}`);
    wrong += 1;
  }
  if (into) draw(file, html);
}
process.exit(wrong ? 1 : 0);
