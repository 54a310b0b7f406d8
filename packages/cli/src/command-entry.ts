import type { Command } from "commander";
import type { Context } from "./context.ts";

/** Makes the command under the name it is called by (an alias may differ). */
export type CommandMaker = (context: Context, name: string) => Command;

export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  /** heading in the help */
  readonly group: string;
  /** imports the file of this command; only the chosen one's is read, so that a call stays short */
  readonly load?: () => Promise<CommandMaker>;
  readonly children?: readonly CommandEntry[];
  /** of a group: lines for the end of its help, each with a remark */
  readonly examples?: readonly (readonly [string, string])[];
  readonly hidden?: boolean;
}
