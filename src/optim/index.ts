/** `optim`: optimizers as pairs of pure functions over trees, as in Optax. */
export * from './optimizers.ts'
export * from './schedules.ts'
