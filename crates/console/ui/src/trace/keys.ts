import type { KeyHelp } from '../shared/keys';

export const TRACE_KEYS: KeyHelp = {
  where: 'A trace',
  keys: [
    { key: 'j k', does: 'Next, previous span (also the arrow keys)' },
    { key: '← →', does: 'Close, open what is below; go to the parent, the first child' },
    { key: 'Enter', does: 'Details of the span' },
    { key: 'Esc', does: 'Close the details; clear the search; show the whole time' },
    { key: 'n N', does: 'Next, previous span found' },
    { key: 'e E', does: 'Next, previous span in which a failure began' },
    { key: 'l', does: 'Log lines and errors below the spans that said them' },
    { key: 'c', does: 'The critical path: what the end waited for' },
    { key: 'z', does: 'Zoom to the span, or back to the whole trace' },
    { key: '* -', does: 'Open everything; close all but the first two levels' },
    { key: 'y', does: 'Copy the trace id' },
  ],
};
