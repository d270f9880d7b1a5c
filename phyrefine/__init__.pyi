from . import errors as errors
from .errors import PhyrefineError as PhyrefineError
from .identities import identified as identified
from .protocols import LLM as LLM
from .protocols import VLM as VLM
from .protocols import VideoGenerator as VideoGenerator
from .refine.stages import Method as Method
from .refiner import SelfRefiner as SelfRefiner
from .run.cluster.ray_cluster import RayCluster as RayCluster
from .run.comparing.compare import compare as compare
from .types import Answer as Answer
from .types import Attempt as Attempt
from .types import Budget as Budget
from .types import Candidates as Candidates
from .types import GeneratorProfile as GeneratorProfile
from .types import Prompt as Prompt
from .types import Question as Question
from .types import Refinement as Refinement
from .types import Scenario as Scenario
from .types import Shot as Shot
from .types import Usage as Usage
from .video.clip import Clip as Clip

__version__: str
