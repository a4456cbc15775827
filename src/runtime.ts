/**
 * The run time, made when any entry of the package loads. Every entry imports this module, and package.json lists it under `sideEffects`, so that
 * bundlers keep it.
 */
import { wasm } from '../backends/wasm/index.ts'
import { rules } from '../primitives/index.ts'
import { ProgramEngine } from '../transforms/engine.ts'
import { makeTransforms } from '../transforms/transforms.ts'
import { AxisEnvironment } from './core/axes.ts'
import type { Backend } from './core/backend.ts'
import { start } from './core/runtime.ts'
import { makeDevice } from './device.ts'
import { installMethods } from './methods.ts'

const transforms = makeTransforms(rules)
const device = makeDevice(() => wasm() as Backend)
const engine = new ProgramEngine({ rules, transforms, backend: device.current })
start({ rules, transforms, engine, device, axes: new AxisEnvironment() })
installMethods()
