/*
 * PostgreSQL fires triggers in the order of their names.  Ours come first, so that what others change in turn is delivered
 * after what they were fired by: a name that begins so sorts before every one that can be typed.
 */
#ifndef PYTHIA_CAPTURE_SOURCE_FIRST_H
#define PYTHIA_CAPTURE_SOURCE_FIRST_H

#define PYTHIA_TRIGGER_FIRST "\001 "

#endif
