/** The arrows of docs/architecture.md: contract ← agent-client ← core ← {engines, host, doors} ← daemon, contract ← control ← host, contract ← sdk ← cli, and core ← simulator ← cli. */
const layer = (name, from, allowed) => ({
  name,
  severity: "error",
  from: { path: from },
  to: { path: "^packages/", pathNot: [from.replace("([^/]+)", "$1"), ...allowed] },
});
const CONTRACT = "^packages/contract/";
const AGENT_CLIENT = "^packages/agent-client/";
const CONTROL = "^packages/control/";
const CORE = "^packages/core/";

module.exports = {
  forbidden: [
    { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },
    layer("contract-imports-nothing-of-ours", "^packages/contract/", []),
    layer("agent-client-imports-contract", "^packages/agent-client/", [CONTRACT]),
    layer("control-imports-contract", "^packages/control/", [CONTRACT]),
    layer("core-imports-contract", "^packages/core/", [CONTRACT]),
    layer("engines-know-core-and-never-one-another", "^packages/engines/([^/]+)/", [CONTRACT, AGENT_CLIENT, CORE]),
    layer("host-folders-know-core-and-never-one-another", "^packages/host/([^/]+)/", [CONTRACT, AGENT_CLIENT, CONTROL, CORE]),
    layer("doors-know-core-and-never-one-another", "^packages/doors/([^/]+)/", [CONTRACT, CORE]),
    layer("sdk-imports-contract", "^packages/sdk/", [CONTRACT]),
    layer("cli-imports-sdk-and-simulator", "^packages/cli/", [CONTRACT, "^packages/sdk/", "^packages/simulator/"]),
    layer("simulator-imports-core", "^packages/simulator/", [CONTRACT, CORE]),
    {
      name: "core-touches-no-operating-system",
      severity: "error",
      from: { path: "^packages/(core|contract|agent-client)/", pathNot: "\\.test\\.ts$" },
      to: { dependencyTypes: ["core"], pathNot: "^(node:)?(stream|events|buffer|crypto)(/|$)" },
    },
    {
      name: "tests-stay-outside",
      severity: "error",
      from: { path: "^packages/", pathNot: "\\.test\\.ts$" },
      to: { path: "\\.test\\.ts$|^tests/|^bench/" },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "default"] },
    exclude: { path: "\\.test\\.ts$" },
  },
};
