export interface NewEvent {
  readonly type: string;
  readonly machineId?: string;
  readonly machineName?: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

export interface StoredEvent extends NewEvent {
  readonly seq: number;
  readonly time: string;
  readonly details: Readonly<Record<string, unknown>>;
}
