/** WebGPU's bit flags, as the specification fixes them: where WebGPU is a package, they aren't global. */
export const USAGE = { mapRead: 0x1, copySrc: 0x4, copyDst: 0x8, uniform: 0x40, storage: 0x80, queryResolve: 0x200 } as const
export const COMPUTE_STAGE = 0x4
export const MAP_READ_MODE = 0x1
