"""SeqIO tasks, declarations only. `import tasks` registers all of them."""

from tasks import hefix_plus
from tasks import mbpp_r
from tasks import minirepair
