/** Schema changes in order; one that was released is never edited (its checksum is kept in the database). */
export const migrations: readonly string[] = [
  `
  CREATE TABLE machines (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    image_digest TEXT NOT NULL,
    memory_bytes INTEGER NOT NULL,
    labels TEXT NOT NULL,
    created_at TEXT NOT NULL,
    machine TEXT NOT NULL,
    boot TEXT NOT NULL
  ) STRICT;
  CREATE INDEX machines_by_age ON machines (created_at DESC, id DESC);
  CREATE INDEX machines_by_state ON machines (state);
  CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    time TEXT NOT NULL,
    type TEXT NOT NULL,
    machine_id TEXT,
    machine_name TEXT,
    details TEXT NOT NULL
  ) STRICT;
  CREATE INDEX events_by_machine ON events (machine_id, seq);
  CREATE TABLE idempotency_keys (
    key TEXT PRIMARY KEY,
    request_hash TEXT NOT NULL,
    machine_id TEXT NOT NULL,
    created_ms INTEGER NOT NULL
  ) STRICT;
  `,
  `
  CREATE TABLE licence_pools (
    name TEXT PRIMARY KEY,
    pool TEXT NOT NULL
  ) STRICT;
  CREATE INDEX machines_leased ON machines (id) WHERE json_extract(boot, '$.lease') IS NOT NULL;
  CREATE INDEX events_of_licences ON events (seq) WHERE type >= 'licence.' AND type < 'licence/';
  `,
  `
  CREATE TABLE quotas (
    tenant TEXT PRIMARY KEY,
    quota TEXT NOT NULL
  ) STRICT;
  `,
  `
  CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    token TEXT NOT NULL
  ) STRICT;
  ALTER TABLE events ADD COLUMN tenant TEXT;
  UPDATE events SET tenant = (
    SELECT json_extract(machine, '$.spec.tenant') FROM machines WHERE machines.id = events.machine_id
  ) WHERE machine_id IS NOT NULL;
  CREATE INDEX events_by_tenant ON events (tenant, seq) WHERE tenant IS NOT NULL;
  `,
  `
  CREATE TABLE secrets (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (tenant, name)
  ) STRICT;
  `,
  `
  ALTER TABLE events ADD COLUMN image TEXT;
  ALTER TABLE events ADD COLUMN labels TEXT;
  UPDATE events SET
    image = (SELECT json_extract(machine, '$.spec.image') FROM machines WHERE machines.id = events.machine_id),
    labels = (SELECT labels FROM machines WHERE machines.id = events.machine_id)
  WHERE machine_id IS NOT NULL;
  `,
  `
  CREATE TABLE networks (
    name TEXT PRIMARY KEY,
    network TEXT NOT NULL
  ) STRICT;
  `,
];
