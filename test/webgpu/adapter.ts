/** The adapter that tests run on: SwiftShader, or with COTANGENT_TEST_ADAPTER=system the machine's own. */
import { type Adapter, swiftshader } from '../../examples/software/swiftshader.ts'

export const adapter = (): Adapter => (process.env['COTANGENT_TEST_ADAPTER'] === 'system' ? { env: {} } : swiftshader())
