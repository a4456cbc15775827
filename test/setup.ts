import fc from 'fast-check'
import { cases, seed } from './effort.ts'

fc.configureGlobal({ seed, numRuns: cases(100) })
