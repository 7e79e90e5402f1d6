import { useEffect, useState, useSyncExternalStore } from 'react';

import { signedInUser, watchUser } from '../session';
import type { SignedInUser } from '../session';
import { currentAction, watchAction } from '../telemetry';
import type { LastAction } from '../telemetry';

export function useUser(): SignedInUser | null {
  return useSyncExternalStore(watchUser, signedInUser);
}

export function useLastAction(): LastAction | undefined {
  return useSyncExternalStore(watchAction, currentAction);
}

/** The time, to the half minute: what "4 min" needs. */
export function useNow(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 30_000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

/** Copies a text, and says so for two seconds. */
export function useCopy(text: string): { copied: boolean; copy: () => void } {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 2000);
    return () => clearTimeout(timer);
  }, [copied]);
  return { copied, copy: () => void navigator.clipboard?.writeText(text).then(() => setCopied(true)) };
}
