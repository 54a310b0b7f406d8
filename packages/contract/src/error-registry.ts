/**
 * Every error that a user can meet: code, message template, HTTP status, remedy. A retired code is never used again.
 * Status: 400 input, 401 token, 403 rights, 404 missing, 409 state or name, 413 too large, 422 policy or content, 429 busy, 500 ours, 502 engine or guest, 503 not
 * available here, 504 deadline, 507 no capacity.
 */
export const errorRegistry = {
  // Input
  INVALID_REQUEST: { status: 400, message: "{field} is not valid: {reason} (given: {value})", remedy: "Correct {field} and try again." },
  INVALID_JSON: {
    status: 400,
    message: "the body is not valid JSON: {reason}",
    remedy: "Send one JSON object with Content-Type: application/json.",
  },
  UNKNOWN_FIELD: { status: 400, message: "unknown field {field}", remedy: "Remove it, or check its spelling in the API reference." },
  INVALID_NAME: {
    status: 400,
    message: "{field} {value} is not a valid name: {reason}",
    remedy: "Use 1 to 63 letters, digits, '_', '.' or '-', beginning with a letter or digit.",
  },
  INVALID_IMAGE_REF: {
    status: 400,
    message: "{value} is not an image reference: {reason}",
    remedy: "Write NAME, NAME:TAG or sha256:DIGEST.",
  },
  TOO_LARGE: { status: 413, message: "{field} is {value}, over the limit of {limit}", remedy: "Make {field} smaller." },
  TOO_MANY_REQUESTS: { status: 429, message: "too many {what}: {value}, limit {limit}", remedy: "Wait a moment and try again." },
  IDEMPOTENCY_MISMATCH: {
    status: 409,
    message: "idempotency key {key} was used before with another request",
    remedy: "Use a new key for a new request.",
  },
  UNAUTHORIZED: { status: 401, message: "the request carries no valid token", remedy: "Send Authorization: Bearer TOKEN." },
  FORBIDDEN: {
    status: 403,
    message: "{who} may not do this: it needs {needed}",
    remedy: "Use a token that may, or ask an admin for one: isthmus token create",
  },
  ORIGIN_REFUSED: {
    status: 403,
    message: "web pages may not connect here (origin: {origin})",
    remedy: "Use the command line or the SDK from a program.",
  },
  ROUTE_NOT_FOUND: { status: 404, message: "{method} {path} is not part of this API", remedy: "See /v1/openapi.json for what is." },
  METHOD_NOT_ALLOWED: { status: 405, message: "{path} does not take {method}", remedy: "See /v1/openapi.json for what it takes." },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, message: "content type {value} is not understood here", remedy: "Send {limit}." },

  // Machines
  MACHINE_NOT_FOUND: { status: 404, message: "no machine {ref}", remedy: "List what there is with: isthmus ps -a" },
  MACHINE_AMBIGUOUS: {
    status: 409,
    message: "{ref} begins the ids of several machines",
    remedy: "Give more characters of the id, or the name.",
  },
  NAME_TAKEN: {
    status: 409,
    message: "the name {name} belongs to machine {holder}",
    remedy: "Choose another name or remove that machine first.",
  },
  PORT_TAKEN: {
    status: 409,
    message: "port {port} on {address} is taken ({reason})",
    remedy: "Publish on another port, or on 0 for a free one.",
  },
  STATE_CONFLICT: {
    status: 409,
    message: "cannot {action} machine {name}: it is {state}",
    remedy: "{action} works when a machine is: {allowed}.{first}",
  },
  FIXED_WHILE_LIVE: {
    status: 409,
    message: "{field} of machine {name} cannot change: it is {state}, and its guest was made with {value}",
    remedy: "Stop it, update it, start it again: isthmus stop {name}.",
  },
  LIMIT_REFUSED: {
    status: 409,
    message: "a limit of machine {name} could not be set: {reason}",
    remedy: "Choose another value; what this host can limit is in: isthmus doctor.",
  },
  MACHINE_BUSY: { status: 429, message: "machine {name} has {value} requests waiting, limit {limit}", remedy: "Wait for them to finish." },
  NO_CAPACITY: {
    status: 507,
    message: "this host has no room: {what} needed {needed}, free {free}",
    remedy: "Stop machines, or ask for less.",
  },
  HOST_PRESSURE: {
    status: 507,
    message: "this host is under pressure and starts nothing for now ({reason})",
    remedy: "Try again in a minute; isthmus top shows what weighs on the host.",
  },
  ISOLATION_UNAVAILABLE: {
    status: 422,
    message: "isolation {isolation} has no engine on this host",
    remedy: "Use isolation auto or microvm; see: isthmus doctor",
  },
  START_FAILED: { status: 502, message: "machine {name} did not start: {reason}", remedy: "See isthmus logs {name} and isthmus doctor." },
  START_TIMEOUT: {
    status: 504,
    message: "the guest of machine {name} did not answer within {limit} ms",
    remedy: "The host may be overloaded; see isthmus doctor. The console is in the machine's folder.",
  },
  TEMPLATE_NOT_FOUND: { status: 404, message: "no template {ref}, or several", remedy: "List what there is with: isthmus template ls" },
  TEMPLATE_FAILED: {
    status: 502,
    message: "the template is not usable: {reason}",
    remedy: "Machines of this shape boot instead; see isthmus template ls.",
  },
  SNAPSHOT_NOT_FOUND: { status: 404, message: "no snapshot {ref}, or several", remedy: "List what there is with: isthmus snapshot ls" },
  SNAPSHOT_NAME_TAKEN: {
    status: 409,
    message: "the name {name} belongs to another snapshot",
    remedy: "Choose another name, or remove that one with: isthmus snapshot rm {name}",
  },
  SNAPSHOT_UNUSABLE: {
    status: 422,
    message: "what was saved of {name} cannot be used here: {reason}",
    remedy: "Use it on a host with the same engine, kernel and processor, or start a machine anew.",
  },
  CAPTURE_FAILED: {
    status: 502,
    message: "machine {name} could not be saved: {reason}",
    remedy: "The machine goes on; see isthmus doctor and try again.",
  },
  QUOTA_REACHED: {
    status: 429,
    message: "limit {limit} is reached: {needed} needed, {used} of {max} used",
    remedy:
      "Wait until machines of this tenant end (--max-wait), remove volumes that it no longer needs, or raise its quota: isthmus quota set",
  },
  NEVER_FITS: {
    status: 422,
    message: "this can never start here: {limit} needs {needed}, and the limit is {max}",
    remedy: "Ask for less, or raise the limit; see isthmus host status.",
  },
  QUOTA_NOT_FOUND: {
    status: 404,
    message: "tenant {tenant} has no quota of its own",
    remedy: "It has the host's; give it one with: isthmus quota set {tenant}",
  },
  LICENCE_SHORT: {
    status: 429,
    message: "no seat for {product}: {needed} needed, {free} of {total} free ({reason})",
    remedy: "Wait until seats are returned, or add some; who holds them: isthmus license inspect {pool}",
  },
  LICENCE_UNAVAILABLE: {
    status: 422,
    message: "no licence for {product} can be had: {reason}",
    remedy: "Add seats with isthmus license add, or ask for less; see isthmus license ls.",
  },
  LICENCE_POOL_NOT_FOUND: { status: 404, message: "no licence pool {name}", remedy: "List what there is with: isthmus license ls" },
  LICENCE_POOL_TAKEN: {
    status: 409,
    message: "there is a licence pool {name} already",
    remedy: "Choose another --name, or change that one with: isthmus license add --replace",
  },
  LICENCE_POOL_IN_USE: {
    status: 409,
    message: "seats of licence pool {name} are held by {value} machines, {holder} among them",
    remedy: "Stop them first, or use --force: they keep running without a licence.",
  },
  VOLUME_NOT_FOUND: { status: 404, message: "no volume {name}", remedy: "List what there is with: isthmus volume ls" },
  VOLUME_EXISTS: {
    status: 409,
    message: "there is a volume {name} already",
    remedy: "Choose another name, or remove that one with: isthmus volume rm {name}",
  },
  VOLUME_NAME_TAKEN: {
    status: 409,
    message: "the name {name} belongs to a volume {holder}",
    remedy:
      "Choose another name: those of volumes are unique on a host. A machine is given volumes of its own tenant (run --tenant), or of the host.",
  },
  VOLUME_IN_USE: {
    status: 409,
    message: "volume {name} is in use: {holder} {use}",
    remedy: "One machine may write to a volume, or several read it; see isthmus volume inspect {name}.",
  },
  NETWORK_NOT_FOUND: { status: 404, message: "no network {name}", remedy: "List what there is with: isthmus network ls" },
  NETWORK_EXISTS: {
    status: 409,
    message: "there is a network {name} already",
    remedy: "Choose another name, or remove that one with: isthmus network rm {name}",
  },
  NETWORK_IN_USE: {
    status: 409,
    message: "network {name} is in use by machine {holder}",
    remedy: "Remove that machine, or have it leave with: isthmus network disconnect {name} {holder}",
  },
  NETWORK_UNAVAILABLE: {
    status: 422,
    message: "this daemon cannot make networks: {reason}",
    remedy: "Run the daemon as root with iproute2 and nftables installed; --network user works without.",
  },
  NETWORK_FULL: {
    status: 507,
    message: "network {name} has no free address: {limit} of {limit} are taken",
    remedy: "Remove machines of it, or make one with a larger --subnet.",
  },
  ADDRESS_TAKEN: {
    status: 409,
    message: "address {value} of network {name} is taken by {holder}",
    remedy: "Give another --ip, or none to take a free one.",
  },
  HOST_PATH_REFUSED: {
    status: 422,
    message: "path {path} of the host cannot be given to a machine: {reason}",
    remedy: "Give another path, use a volume, or see ISTHMUS_HOST_PATHS in docs/volumes.md.",
  },
  MOUNTS_NOT_SAVED: {
    status: 409,
    message: "cannot {action} machine {name}: {reason}",
    remedy: "Stop the machine and copy what it has mounted, or do without the mounts.",
  },
  SECRET_NOT_FOUND: {
    status: 404,
    message: "tenant {tenant} has no secret {name}",
    remedy: "List what there is with: isthmus secret ls; make it with: isthmus secret create {name}",
  },
  SECRET_TAKEN: {
    status: 409,
    message: "tenant {tenant} has a secret {name} already",
    remedy: "Choose another name, or remove that one with: isthmus secret rm {name}",
  },
  SECRET_IN_USE: { status: 409, message: "secret {name} is given to machine {holder}", remedy: "Remove the machine first." },
  SECRET_UNREADABLE: {
    status: 500,
    message: "secret {name} cannot be opened: {reason}",
    remedy: "Bring back the key file (ISTHMUS_SECRETS_KEY_FILE), or remove the secret and create it anew.",
  },
  TOKEN_NOT_FOUND: { status: 404, message: "no token {ref}", remedy: "List what there is with: isthmus token ls" },
  TOKEN_NAME_TAKEN: {
    status: 409,
    message: "there is a token {name} already",
    remedy: "Choose another name, or remove that one with: isthmus token rm {name}",
  },
  NOT_INTERACTIVE: { status: 409, message: "machine {name} was started without open stdin", remedy: "Run it with -i." },

  // Guest
  AGENT_UNREACHABLE: {
    status: 502,
    message: "the agent of machine {name} does not answer: {reason}",
    remedy: "Try again, or kill the machine.",
  },
  AGENT_PROTOCOL: {
    status: 502,
    message: "the agent broke the guest protocol: {reason}",
    remedy: "The guest is not to be trusted; kill the machine.",
  },
  AGENT_REFUSED: { status: 422, message: "the guest refused {op}: {reason}", remedy: "{help}" },
  PATH_NOT_FOUND: {
    status: 404,
    message: "no file {path} in machine {name}",
    remedy: "Check the path. A copy makes no folders above its target: isthmus exec {name} mkdir -p FOLDER",
  },
  BAD_ARCHIVE: { status: 422, message: "the archive is not usable: {reason}", remedy: "Send a tar archive." },

  // Images
  IMAGE_NOT_FOUND: { status: 404, message: "no image {ref}", remedy: "List what there is with: isthmus image ls" },
  IMAGE_IN_USE: { status: 409, message: "image {ref} is used by machine {holder}", remedy: "Remove the machine first, or use --force." },
  BAD_IMAGE: { status: 422, message: "the image is not usable: {reason}", remedy: "Make the image anew; nothing of it was kept." },
  IMAGE_DIGEST_MISMATCH: {
    status: 422,
    message: "blob {digest} has other content: {actual}",
    remedy: "The archive is damaged or was tampered with; get it again.",
  },
  IMAGE_NO_PLATFORM: {
    status: 422,
    message: "the image has nothing for {platform}; it offers {offered}",
    remedy: "Use an image for {platform}.",
  },
  IMAGE_NO_COMMAND: { status: 422, message: "image {ref} names no command", remedy: "Give one: isthmus run {ref} COMMAND" },

  // Registries
  REGISTRY_NO_IMAGE: {
    status: 404,
    message: "registry {registry} has no image {ref}",
    remedy: "Check name and tag; an image of yours is taken in with isthmus image load or isthmus image import.",
  },
  REGISTRY_DENIED: {
    status: 403,
    message: "registry {registry} refuses {ref}: {reason}",
    remedy: "The image may not exist, or needs an account: docker login {registry}",
  },
  REGISTRY_UNREACHABLE: {
    status: 502,
    message: "registry {registry} cannot be reached: {reason}",
    remedy:
      "Check the name, the network, HTTPS_PROXY, and that this host trusts its certificate (update-ca-certificates); one without TLS must be named in ISTHMUS_INSECURE_REGISTRIES.",
  },
  REGISTRY_FAILED: {
    status: 502,
    message: "registry {registry} failed: {reason}",
    remedy: "Try again; if it lasts, the registry's operator can tell more.",
  },
  REGISTRY_BUSY: {
    status: 429,
    message: "registry {registry} takes no more requests for now: {reason}",
    remedy: "Try again later, or with an account: docker login {registry}",
  },

  // Kernels
  KERNEL_NOT_FOUND: { status: 503, message: "there is no guest kernel", remedy: "Run: isthmus kernel fetch" },
  KERNEL_BUILD_FAILED: { status: 500, message: "the kernel could not be built: {reason}", remedy: "See the log at {log}." },
  KERNEL_FETCH_FAILED: {
    status: 502,
    message: "the kernel package could not be fetched: {reason}",
    remedy: "Run apt-get update as root and try again.",
  },
  AGENT_BINARY_MISSING: { status: 503, message: "the guest agent is not built: {path} is missing", remedy: "Run: make agent" },

  // Host
  ENGINE_MISSING: { status: 503, message: "{program} is not installed", remedy: "Run: apt-get install {package}" },
  NO_ACCELERATOR: { status: 503, message: "no accelerator boots the guest: {reason}", remedy: "See isthmus doctor." },
  HOST_COMMAND_FAILED: { status: 500, message: "{program} failed: {reason}", remedy: "See isthmus doctor." },
  DISK_FULL: {
    status: 507,
    message: "no space left for {what}",
    remedy: "Free disk space under the data folder: isthmus image ls, isthmus rm.",
  },
  STORE_FAILED: { status: 500, message: "the store failed: {reason}", remedy: "See the daemon's log; restart the daemon." },
  STORE_TOO_NEW: {
    status: 500,
    message: "the database is of version {value}, this program knows up to {limit}",
    remedy: "Run the newer Isthmus, or restore a backup.",
  },
  DATA_FOLDER_LOCKED: { status: 409, message: "another daemon (pid {pid}) uses {path}", remedy: "Stop it with: isthmus daemon stop" },
  CONFIG_INVALID: { status: 400, message: "setting {field} is not valid: {reason} (given: {value})", remedy: "Correct the setting." },

  // Daemon and client
  DAEMON_UNREACHABLE: { status: 503, message: "no daemon answers at {address}: {reason}", remedy: "{help}" },
  CLIENT_CERTIFICATE_REFUSED: {
    status: 403,
    message: "the daemon at {address} refused the TLS handshake: {reason}",
    remedy:
      "Give a certificate by an authority in the daemon's ISTHMUS_TLS_CLIENT_CA_FILE, and its key: ISTHMUS_CERT_FILE and ISTHMUS_KEY_FILE, or certificate and key of the SDK.",
  },
  DAEMON_START_FAILED: { status: 503, message: "the daemon did not start: {reason}", remedy: "See its log: {log}" },
  SHUTTING_DOWN: { status: 503, message: "the daemon is stopping", remedy: "Try again when it runs; machines go on." },
  PROTOCOL: { status: 502, message: "the other side broke the protocol: {reason}", remedy: "Use the same version on both sides." },
  CANCELLED: { status: 499, message: "{what} was cancelled", remedy: "Nothing is left to do." },
  TIMEOUT: { status: 504, message: "{what} took longer than {limit} ms", remedy: "Try again or allow more time." },
  USAGE: { status: 400, message: "{reason}", remedy: "See: isthmus {command} --help" },
  SOURCE_NOT_FOUND: {
    status: 404,
    message: "no machine and no snapshot {ref}",
    remedy: "List what there is with: isthmus ps -a, isthmus snapshot ls",
  },
  SOURCE_AMBIGUOUS: {
    status: 409,
    message: "both a machine and a snapshot are called {ref}",
    remedy: "Write machine:{ref} or snapshot:{ref}.",
  },
  LOCAL_FILE: { status: 400, message: "cannot use {path}: {reason}", remedy: "Check the path and its permissions." },
  NO_TERMINAL: { status: 400, message: "-t needs a terminal: {reason}", remedy: "Run it from a terminal, or leave -t away." },
  INTERNAL: { status: 500, message: "internal error: {reason}", remedy: "This is a fault of Isthmus; the daemon's log has more." },
} as const satisfies Record<string, { status: number; message: string; remedy: string }>;

/** The code of an entry of the registry. */
export type ErrorCode = keyof typeof errorRegistry;
