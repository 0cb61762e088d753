import { existsSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import type MarkdownIt from "markdown-it";

// What stands in braces in code is text, and nothing that Vue should work out.
export function codeAsItIs(md: MarkdownIt): void {
  md.renderer.rules.code_inline = (tokens, at) => `<code v-pre>${md.utils.escapeHtml(tokens[at]!.content)}</code>`;
}

// Links of the pages that lead out of docs/, to files of the repository. A site knows where that is when it is built with
// REPOSITORY=https://…/blob/main; otherwise such a link is shown as the path it names. One to a file that is not there
// fails the build, as VitePress fails it for pages.
export function linksToTheRepository(root: string, repository: string | undefined) {
  return (md: MarkdownIt) => {
    md.core.ruler.push("links to the repository", ({ tokens, env }) => {
      for (const token of tokens.flatMap((block) => block.children ?? [])) {
        const href = token.type === "link_open" ? token.attrGet("href") : null;
        if (!href || /^([a-z]+:|#|\/)/.test(href)) {
          continue;
        }
        const file = normalize(join(dirname(env.path), href.replace(/#.*/, "")));
        if (!existsSync(file)) {
          throw new Error(`${env.path}: dead link to ${href}`);
        }
        const path = relative(root, file);
        if (path.startsWith("docs/") && path.endsWith(".md")) {
          continue;
        }
        if (repository) {
          token.attrSet("href", `${repository}/${path}`);
        } else {
          token.tag = "span";
          token.attrs = [["class", "in-repository"], ["title", `${path} in the repository`]];
        }
      }
      // What closes a span is one.
      for (const block of tokens) {
        const open: string[] = [];
        for (const token of block.children ?? []) {
          if (token.type === "link_open") {
            open.push(token.tag);
          } else if (token.type === "link_close") {
            token.tag = open.pop() ?? "a";
          }
          if (token.tag === "span") {
            token.type = token.nesting === 1 ? "span_open" : token.nesting === -1 ? "span_close" : token.type;
          }
        }
      }
    });
  };
}
