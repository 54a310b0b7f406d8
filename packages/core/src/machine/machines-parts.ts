import type { Measure } from "@isthmus/contract";
import type { HostGauge } from "../host/ports.ts";
import type { NetworkHost } from "../network/ports.ts";
import type { SecretBox } from "../secret/ports.ts";
import type { SnapshotFolders } from "../snapshot/ports.ts";
import type { PoolSettings } from "../template/config.ts";
import type { PreparedPlaces } from "../template/ports.ts";
import type { Templates } from "../template/templates.ts";
import type { HostPaths, VolumeFolders } from "../volume/ports.ts";
import type { AdmissionSettings } from "./admitting/admitting.ts";
import type { Crashpoint } from "./crash-points.ts";
import type { Clock, ContactPorts, Engine, HostCapacity, Images, Log, MachineFolders, OutputFiles, Store } from "./ports.ts";

export interface MachinesParts {
  readonly store: Store;
  /** the preferred one first */
  readonly engines: readonly Engine[];
  readonly images: Images;
  readonly folders: MachineFolders;
  readonly output: OutputFiles;
  readonly clock: Clock;
  readonly capacity: HostCapacity;
  readonly log: Log;
  /** absent: every machine boots */
  readonly templates?: Templates;
  /** absent: no clone is prepared ahead */
  readonly places?: PreparedPlaces;
  /** absent: as many as is usual */
  readonly pools?: PoolSettings;
  /** absent: suspended machines are resumed by their users only */
  readonly contacts?: ContactPorts;
  /** absent: no snapshots are taken */
  readonly snapshotFolders?: SnapshotFolders;
  /** absent: no machine can mount a volume */
  readonly volumeFolders?: VolumeFolders;
  /** absent: machines have no network of the host's */
  readonly networkHost?: NetworkHost;
  /** absent: no machine is given a path of the host */
  readonly hostPaths?: HostPaths;
  /** absent: machines are given no secrets */
  readonly secretBox?: SecretBox;
  /** limits that an operator set; absent: all follow from the host */
  readonly admission?: AdmissionSettings;
  /** absent: the host is what `capacity` says, and nothing is known of its disk, processes and pressure */
  readonly gauge?: HostGauge;
  /** memory that a machine's engine was last seen to use, bytes */
  readonly measuredBytes?: (id: string) => number | undefined;
  /** measures that are taken against pressure now */
  readonly measures?: () => readonly Measure[];
  /** for fault tests; does nothing when absent */
  readonly crashpoint?: Crashpoint;
}
