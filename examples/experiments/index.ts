/** Experiments with random cases that find something: `npm run experiments`. */
import * as equivariance from './equivariance.ts'
import * as planted from './planted.ts'

console.log(
  `Is attention equivariant under permutations?\n${equivariance.report()}\n\nIs a derivative written by hand right?\n${planted.report()}`,
)
