import { useSyncExternalStore } from 'react';

import { navigate } from '../app';
import { FAULTS, chooseFault, chosenFault, isLaboratoryOpen, watchFault } from '../laboratory';
import type { Fault } from '../laboratory';

/** Asks for the home feed with a fault of its database; the trace of that action shows what it looks like. */
export function Laboratory() {
  const fault = useSyncExternalStore(watchFault, chosenFault);
  if (!isLaboratoryOpen()) return null;
  return (
    <section className="laboratory" aria-label="Laboratory">
      <label>
        <h2>Laboratory: home feed with</h2>
        <span className="select">
          <select
            value={fault ?? ''}
            onChange={(event) => {
              chooseFault((event.target.value || null) as Fault | null);
              void navigate('/');
            }}
          >
            <option value="">no fault</option>
            {Object.entries(FAULTS).map(([name, title]) => (
              <option key={name} value={name}>
                {title}
              </option>
            ))}
          </select>
        </span>
      </label>
    </section>
  );
}
