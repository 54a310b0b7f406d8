export interface NewEvent {
  readonly type: string;
  readonly machineId?: string;
  readonly machineName?: string;
  /** whose it is; the machine's when absent */
  readonly tenant?: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

export interface StoredEvent extends NewEvent {
  readonly seq: number;
  readonly time: string;
  readonly details: Readonly<Record<string, unknown>>;
}
