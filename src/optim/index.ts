/** `optim`: optimizers as pairs of pure functions over trees, as in Optax. */
export type { LearningRate, Optimizer, OptState, UpdateOptions } from './optimizer.ts'
export * from './optimizers.ts'
export * from './schedules.ts'
export * from './transformations.ts'
