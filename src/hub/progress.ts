/** How far a load is. */
export interface Progress {
  /** 'download': bytes of one file on their way into the cache; 'read': bytes of tensors, of all files. */
  readonly stage: 'download' | 'read'
  readonly file: string
  readonly loaded: number
  readonly total: number
}
export type OnProgress = (progress: Progress) => void

/** Bytes between two reports of a download. */
const STEP = 1 << 20
/** Reports that so much of a file came. */
export const downloading = (onProgress: OnProgress | undefined, file: string, total: number): ((loaded: number) => void) => {
  let told = 0
  return (loaded) => {
    if (loaded < total && loaded - told < STEP) return
    told = loaded
    onProgress?.({ stage: 'download', file, loaded, total })
  }
}
