/** Where an engine tells its operator what no error says. */
export type EngineLog = (message: string, details: Readonly<Record<string, unknown>>) => void;
