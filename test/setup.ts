import fc from 'fast-check'
import { tries, seed } from './effort.ts'

fc.configureGlobal({ seed, numRuns: tries(100) })
