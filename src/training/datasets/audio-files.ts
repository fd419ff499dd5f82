/** Which audio files a folder holds. */
import { readdirSync, type Dirent } from 'node:fs';
import { join } from 'node:path';

export const AUDIO_EXTENSIONS = ['.wav', '.flac', '.mp3', '.ogg', '.opus', '.oga'] as const;

export function isAudio(name: string): boolean {
  return AUDIO_EXTENSIONS.some((extension) => name.toLowerCase().endsWith(extension));
}

/** `a/b.wav` → `a/b`; only audio extensions are taken off. */
export function stem(name: string): string {
  return isAudio(name) ? name.slice(0, name.lastIndexOf('.')) : name;
}

/** Names directly in a folder, sorted; empty when there is no such folder. */
export function entries(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch {
    return [];
  }
}

export function subfolders(folder: string): string[] {
  return entries(folder).filter((entry) => entry.isDirectory()).map((entry) => entry.name);
}

export function audioIn(folder: string): string[] {
  return entries(folder).filter((entry) => entry.isFile() && isAudio(entry.name)).map((entry) => entry.name);
}

/** All audio files below a folder, relative to it, in `/` form. */
export function audioBelow(folder: string): string[] {
  return entries(folder).flatMap((entry) => {
    if (entry.isDirectory()) return audioBelow(join(folder, entry.name)).map((name) => `${entry.name}/${name}`);
    return entry.isFile() && isAudio(entry.name) ? [entry.name] : [];
  });
}

/** Finds files by their name without extension, so that a .wav that was packed as .flac is found. */
export class AudioIndex {
  private readonly byStem: Map<string, string>;

  constructor(readonly folder: string) {
    this.byStem = new Map(audioIn(folder).map((name) => [stem(name), name]));
  }

  find(stemName: string): string | undefined {
    return this.byStem.get(stemName);
  }
}
