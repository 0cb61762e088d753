// The pages of the documentation, in the order in which one reads them. Every page of docs/ is in it: the build fails
// otherwise.

export interface Group {
  text: string;
  pages: [file: string, title: string][];
}

export const groups: Group[] = [
  {
    text: "JavaScript",
    pages: [
      ["authentication.md", "Sign-in"],
      ["chat.md", "The chat"],
      ["types.md", "Types for TypeScript"],
      ["compatibility.md", "Compatibility"],
      ["recovery.md", "Connection state recovery"],
      ["any-language.md", "A back end in any language"],
      ["routing.md", "Rules for rooms"],
      ["api.md", "The interface for back ends"],
    ],
  },
  {
    text: "Go",
    pages: [
      ["embedding.md", "In a Go program"],
      ["from-node.md", "From Node's server"],
      ["migrating-from-zishang520.md", "From zishang520"],
      ["architecture.md", "Architecture"],
      ["testing.md", "Testing"],
    ],
  },
  {
    text: "Operating",
    pages: [
      ["configuration.md", "Configuration"],
      ["deploying.md", "Deploying"],
      ["operating.md", "Operating"],
      ["cluster.md", "Several nodes"],
      ["artillery.md", "Load tests"],
      ["performance.md", "Performance"],
      ["robustness.md", "Robustness"],
    ],
  },
  {
    text: "Helpers",
    pages: [
      ["helpers/token.md", "Read a token"],
      ["helpers/configuration.md", "Make a configuration"],
      ["helpers/migration.md", "Move an io() call"],
    ],
  },
  {
    text: "About",
    pages: [
      ["dependencies.md", "Dependencies"],
      ["adr/0001-the-protocol-core-is-ours.md", "Why the core is ours"],
      ["adr/0002-goreleaser-makes-a-release.md", "How a release is made, and why"],
    ],
  },
];
