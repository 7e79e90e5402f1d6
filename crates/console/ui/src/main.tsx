import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';

import { App } from './ui/App';

import './styles/base.css';
import './styles/home.css';
import './styles/trace.css';
import './styles/panel.css';

createRoot(document.getElementById('root') as HTMLElement).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
