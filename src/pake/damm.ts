// A totally anti-symmetric quasigroup of order 10 (H. M. Damm, 2004): catches each wrong digit and each swap of neighbours.
const TABLE = [
  '0317598642',
  '7092154863',
  '4206871359',
  '1750983426',
  '6123045978',
  '3674209581',
  '5869720134',
  '8945362017',
  '9438617205',
  '2581436790',
];

/** The check digit of a run of digits; 0 for a run that ends with its own right check digit. */
export function damm(digits: string): string {
  let interim = '0';
  for (const digit of digits) interim = TABLE[Number(interim)]?.[Number(digit)] ?? interim;
  return interim;
}
