import { Traces } from '../traces/Traces';
import type { ViewProps } from '../shared/view';

export function Home(props: ViewProps) {
  return <Traces {...props} />;
}
