import type { Offline } from "./index.js";

export interface OfflineOptions {
  /** The placements to decide where the server does not answer. */
  placements: string[];
  /** How often the client gets another snapshot, which it can decide by for 15 minutes. Default: 180000. */
  refreshMs?: number;
}

/** Return what `new Personalize({ offline })` decides by where the server does not answer. */
export function offline(options: OfflineOptions): Offline;
