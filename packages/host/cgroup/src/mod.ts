export { createGroups } from "./groups.ts";
