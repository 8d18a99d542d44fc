// Judges every use of the action, in workflows and in a Markdown file's snippets,
// as an editor with GitHub's language service would. It refuses to know any other
// action: what those take is their own affair.
//
// usage: uses.mjs ACTION_YML FILE…

import { readFileSync } from "node:fs";
import { validate } from "@actions/languageservice";
import { TextDocument } from "vscode-languageserver-textdocument";
import { parse } from "yaml";

const OURS = { owner: "landfall-deploy", name: "landfall" };
const [actionFile, ...files] = process.argv.slice(2);
const action = parse(readFileSync(actionFile, "utf8"));

const actionsMetadataProvider = {
  fetchActionMetadata: async ({ owner, name }) =>
    owner === OURS.owner && name === OURS.name ? action : {},
};

/** The YAML snippets of a Markdown file, each with the line that it begins on. */
function snippets(text) {
  const fence = /^```ya?ml\n([\s\S]*?)^```$/gm;
  return [...text.matchAll(fence)].map((match) => ({
    text: match[1],
    line: text.slice(0, match.index).split("\n").length,
  }));
}

/** A snippet of steps alone is put into a workflow, so that it can be judged. */
function workflow({ text, line }) {
  if (/^jobs:/m.test(text)) return { text, line };
  const head = "on: push\njobs:\n  snippet:\n    runs-on: ubuntu-latest\n    steps:\n";
  const steps = text.split("\n").map((row) => `      ${row}`.trimEnd());
  return { text: head + steps.join("\n"), line: line - 5 };
}

function workflows(file) {
  const text = readFileSync(file, "utf8");
  if (!file.endsWith(".md")) return [{ text, line: 0 }];
  return snippets(text).filter((snippet) => snippet.text.includes("uses:")).map(workflow);
}

let uses = 0;
let complaints = 0;
for (const file of files) {
  for (const { text, line } of workflows(file)) {
    uses += text.split(`uses: ${OURS.owner}/${OURS.name}@`).length - 1;
    const document = TextDocument.create("file:///.github/workflows/judged.yml", "yaml", 1, text);
    for (const found of await validate(document, { actionsMetadataProvider })) {
      console.error(`${file}:${line + found.range.start.line + 1}: ${found.message}`);
      complaints += 1;
    }
  }
}
if (uses === 0) {
  console.error("no use of the action was found, so nothing was judged");
  complaints += 1;
}
process.exit(complaints === 0 ? 0 : 1);
