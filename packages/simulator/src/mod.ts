export { plot } from "./plot.ts";
export type { Quantiles, Report, TenantReport } from "./report.ts";
export { parseScenario, type Scenario } from "./scenario.ts";
export { simulate } from "./simulate.ts";
