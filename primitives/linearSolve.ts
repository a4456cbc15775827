/** linearSolve: the solution of a linear system, however it is found: its derivatives are those of A x = b. */
import * as E from '#fp-ts/Either.js'
import * as O from '#fp-ts/Option.js'
import { showAvals } from '../src/core/aval.ts'
import * as c from '../src/core/constructors.ts'
import { isFloat } from '../src/core/dtype.ts'
import { CotangentError } from '../src/core/errors.ts'
import type { Jaxpr } from '../src/core/jaxpr.ts'
import type { BatchDim, Rules, Tangent } from '../src/core/rules.ts'
import { bind, evalJaxpr } from '../src/core/trace.ts'
import { joined, resultsInFront, there } from './carrying.ts'
import { batched, callAvals, inFront, isLinear, valueOf, shapes } from './families.ts'

export const linearSolve: Rules<'linearSolve'> = {
  abstractEval: (avals, { jaxprs, numConsts }) => {
    const vectors = avals.slice(numConsts)
    if (jaxprs.length !== 2 && jaxprs.length !== 4) return shapes('a matrix and a solver are needed, and maybe those of its transpose')
    for (const jaxpr of jaxprs) {
      const outs = callAvals(jaxpr, avals)
      if (E.isLeft(outs)) return outs
      if (showAvals(outs.right) !== showAvals(vectors))
        return shapes(`(${showAvals(outs.right)}) comes of (${showAvals(vectors)}): the system must be square`)
    }
    return E.right(vectors)
  },
  // A dx = db - dA x.
  jvp: (operands, tangents, params, transforms) => {
    const { jaxprs, numConsts } = params
    const consts = operands.slice(0, numConsts)
    const xs = bind('linearSolve', params, operands)
    const moving = tangents.slice(0, numConsts).map(O.isSome)
    const pushed = transforms.jvp(jaxprs[0]!, [...moving, ...xs.map(() => false)])
    const moved = evalJaxpr(pushed.jaxpr, [...pushed.captures, ...consts, ...xs, ...there(tangents.slice(0, numConsts))])
    let next = xs.length
    const rhs = tangents.slice(numConsts).map((db, i): Tangent => {
      if (!pushed.nonzero[i]) return db
      const dAx = c.neg(moved[next++]!)
      return O.some(O.isSome(db) ? c.add(db.value, dAx) : dAx)
    })
    if (rhs.every(O.isNone)) return { outs: xs, tangents: rhs }
    const right = rhs.map((t, i) => (O.isSome(t) ? t.value : c.zerosLike(xs[i]!.aval)))
    return { outs: xs, tangents: bind('linearSolve', params, [...consts, ...right]).map((dx) => (isFloat(dx.dtype) ? O.some(dx) : O.none)) }
  },
  transpose: (cts, operands, { jaxprs, numConsts }) => {
    const [matrix, solver, transposed, transposedSolver] = jaxprs as readonly [Jaxpr, Jaxpr, Jaxpr?, Jaxpr?]
    if (transposed === undefined || transposedSolver === undefined)
      throw new CotangentError(
        'customLinearSolve has no reverse-mode derivative without a solver of the transposed system: give transposeSolve, or symmetric',
      )
    if (operands.slice(0, numConsts).some(isLinear)) throw new CotangentError("linearSolve isn't linear in its matrix")
    const consts = operands.slice(0, numConsts).map(valueOf)
    const right = cts.map((ct, i) => (O.isSome(ct) ? ct.value : c.zerosLike(operands[numConsts + i]!.aval)))
    const backwards = { jaxprs: [transposed, transposedSolver, matrix, solver], numConsts }
    const bars = bind('linearSolve', backwards, [...consts, ...right])
    return [...consts.map((): Tangent => O.none), ...bars.map((bar, i) => (isLinear(operands[numConsts + i]!) ? O.some(bar) : O.none))]
  },
  batch: (operands, dims, size, { jaxprs, numConsts }, transforms) => {
    const vectors = operands.slice(numConsts).map((x, i) => inFront(x, dims[numConsts + i]!, size))
    const consts = operands.slice(0, numConsts)
    const own = [...dims.slice(0, numConsts), ...vectors.map((): BatchDim => O.some(0))]
    const wide = joined(jaxprs.map((jaxpr) => resultsInFront(transforms.batch(jaxpr, size, own), size)))
    const all = [...wide.captures, ...consts]
    return batched(bind('linearSolve', { jaxprs: wide.jaxprs, numConsts: all.length }, [...all, ...vectors]))
  },
  lower: (operands, { jaxprs }, lowering) => lowering.lower(jaxprs[1]!, operands),
}
