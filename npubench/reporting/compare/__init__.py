"""Result sets beside each other: case by case, with an interval and a verdict. Kinds are never compared."""
