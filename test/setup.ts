/** A suite run twice tries the same cases, so that a change is what turns it red; `npm run test:nightly` looks for new ones. */
import fc from 'fast-check'

if (process.env['NIGHTLY'] === undefined) fc.configureGlobal({ seed: 42 })
