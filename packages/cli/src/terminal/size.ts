interface Sized {
  readonly columns?: number;
  readonly rows?: number;
}

const COLUMNS = 80;
const ROWS = 24;

/** A terminal that has not been told its size, such as that of `script`, has 0 columns and 0 rows. */
export const columnsOf = ({ columns }: Sized): number => columns || COLUMNS;
export const rowsOf = ({ rows }: Sized): number => rows || ROWS;
