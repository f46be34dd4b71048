<?php

/** Notes which lines of the client a run executes: TAP2_PHP_COVERAGE is the folder for the notes. Needs pcov. */

declare(strict_types=1);

\pcov\start();
register_shutdown_function(static function (): void {
    \pcov\stop();
    $lines = \pcov\collect(\pcov\inclusive, \pcov\waiting());
    file_put_contents(tempnam((string) getenv('TAP2_PHP_COVERAGE'), 'run'), json_encode($lines, JSON_THROW_ON_ERROR));
});
