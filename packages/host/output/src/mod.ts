export { createOutputFiles } from "./output-files.ts";
