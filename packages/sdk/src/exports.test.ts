import path from "node:path";
import ts from "typescript";
import { describe, expect, it } from "vitest";

const entry = path.join(import.meta.dirname, "mod.ts");

function exportsOf(program: ts.Program): { checker: ts.TypeChecker; symbols: ts.Symbol[] } {
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(entry);
  const module = source && checker.getSymbolAtLocation(source);
  expect(module).toBeDefined();
  const aliases = module ? checker.getExportsOfModule(module) : [];
  const symbols = aliases.map((symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol));
  return { checker, symbols };
}

/** Names without a doc comment: the export itself and, when it is ours, what its users can see of it. */
function undocumented(symbol: ts.Symbol, checker: ts.TypeChecker): string[] {
  const found = symbol.getDocumentationComment(checker).length === 0 ? [symbol.name] : [];
  for (const declaration of symbol.declarations ?? []) {
    if (!ts.isClassDeclaration(declaration) && !ts.isInterfaceDeclaration(declaration)) continue;
    for (const member of declaration.members) {
      if (member.name && ts.isPrivateIdentifier(member.name)) continue;
      if (!ts.getJSDocCommentsAndTags(member).some((node) => ts.isJSDoc(node) && node.comment))
        found.push(`${symbol.name}.${member.name?.getText() ?? "constructor"}`);
    }
  }
  return found;
}

describe("the SDK's exports", () => {
  it("are all documented, members included", { timeout: 60_000 }, () => {
    const program = ts.createProgram([entry], {
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
      target: ts.ScriptTarget.ES2024,
      allowImportingTsExtensions: true,
      noEmit: true,
      skipLibCheck: true,
      types: ["node"],
    });
    const { checker, symbols } = exportsOf(program);
    expect(symbols.length).toBeGreaterThan(40);
    expect(symbols.flatMap((symbol) => undocumented(symbol, checker))).toEqual([]);
  });

  it("bring in no library and no schema when they are loaded", async () => {
    const { readdir, readFile } = await import("node:fs/promises");
    const files = (await readdir(import.meta.dirname, { recursive: true })).filter(
      (name) => name.endsWith(".ts") && !name.endsWith(".test.ts"),
    );
    for (const name of files) {
      const text = await readFile(path.join(import.meta.dirname, name), "utf8");
      for (const [, from] of text.matchAll(/(?:from|import\() ?"([^".][^"]*)"/g))
        expect(from, name).toMatch(/^(node:.*|@isthmus\/contract)$/);
    }
  });
});
