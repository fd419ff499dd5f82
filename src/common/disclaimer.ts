/** The sentence shown wherever a label is shown. */
export const DISCLAIMER = 'Research and education only, not a medical device.';
