import fc from 'fast-check'
import { seed, tries } from './effort.ts'

// Ten minutes: no law takes a tenth of it by day, but a search for a smaller counterexample may.
fc.configureGlobal({ seed, numRuns: tries(100), interruptAfterTimeLimit: 600_000 })
